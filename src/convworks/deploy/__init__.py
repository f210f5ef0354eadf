"""Into production: networks exported to other libraries, quantised, and compared with PyTorch before."""
