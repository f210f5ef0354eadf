"""TODO training/svm."""
