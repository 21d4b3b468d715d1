"""Reports to print and to keep: HTML and PDF, in Chinese and English."""
