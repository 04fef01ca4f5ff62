"""What a department learns from a dataset: figures made from its cleaned file."""
