//! What came over HTTP becomes a message, and an answer becomes HTTP.
