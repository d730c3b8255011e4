"""Every family of MMDetection's configs, tried with the operators that are installed and with the stand-in ones."""
