"""What `second_order.py` consists of: problems, the optimiser, spectra, pictures."""
