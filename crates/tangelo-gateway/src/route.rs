//! What is reachable under which host, path and method.
