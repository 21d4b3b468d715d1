"""The pocket: the units' page on a phone, which works on a bad line and starts without one."""
