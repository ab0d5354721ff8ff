"""Simulators of machines and links: everything here is invented data and says so."""
