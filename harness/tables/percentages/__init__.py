"""What a documented percentage is of: which images, right ones or wrong ones, percent or a share of one."""
