//! Viewers: to come.
