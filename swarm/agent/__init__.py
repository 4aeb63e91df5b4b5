"""The trio driver of the exchange: fetch and serve."""
