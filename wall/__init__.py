"""What people see: the wall and the desk."""
