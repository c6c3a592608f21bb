//! The `windtunnel` binary: parse, call, print the error chain. The only process exit.

fn main() {}
