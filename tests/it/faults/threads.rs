//! Threads: many on one client, and clients that share a limiter (F96 and F97).
