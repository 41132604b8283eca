"""Base and head of a change, live side by side: is one slower, larger or worse than the other?"""
