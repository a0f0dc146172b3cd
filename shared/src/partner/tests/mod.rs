mod fixtures;
mod mistakes;
