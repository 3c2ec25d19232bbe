"""Time complexity read from a syntax tree; the door to it is `services.env.complexity`."""
