"""What is declared: settings, contract, register, cities and packs."""
