"""The executor service: one throwaway sandbox for each program."""
