"""How much of an arena a number of episodes needs, and what breaks first."""
