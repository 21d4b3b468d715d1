"""Parts that scenes are made of: Dash components whose live content is drawn by ``assets/js``."""
