"""What sources in PaddlePaddle share."""
