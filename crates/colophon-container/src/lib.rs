//! Bounded, byte-exact walkers and editors of media containers.
