"""Tasks from public data sets, each one certified before it is kept."""
