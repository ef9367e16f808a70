"""What sources in PyTorch share."""
