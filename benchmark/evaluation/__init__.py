"""Evaluates models: ranks items by their scores, finds the targets' ranks, and computes metrics."""
