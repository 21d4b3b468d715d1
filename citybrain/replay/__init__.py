"""Looking back: a span of the archive opened for a session, and the same input judged anew by other rules."""
