"""What a mixture is: tensors in, tensors out; no iteration, no files."""
