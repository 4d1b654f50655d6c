"""What ``mediml data`` prints."""
