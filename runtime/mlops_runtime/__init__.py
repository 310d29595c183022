"""What runs inside of what mlopsgen generates."""
