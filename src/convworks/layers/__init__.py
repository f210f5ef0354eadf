"""Modules without paper names, from which every architecture is composed."""
