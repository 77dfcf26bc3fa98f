//! Definitions that are awkward to say in Rust, turned into Rust all the same.
//!
//! It compiles, and no lint has anything to say; rustdoc takes the comments as they are, and runs none of them as a test.

#![deny(
    missing_docs,
    clippy::all,
    clippy::nursery,
    clippy::pedantic,
    future_incompatible,
    nonstandard_style,
    rust_2018_idioms,
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_codeblock_attributes,
    rustdoc::invalid_html_tags,
    rustdoc::invalid_rust_codeblocks,
    rustdoc::unescaped_backticks,
    unused
)]
#![allow(
    clippy::doc_markdown,
    clippy::missing_const_for_fn,
    clippy::must_use_candidate,
    reason = "prost's functions of enums"
)]

/// Words that rustdoc could take for more.
pub mod comments {
    tangelo::include_proto!("comments");
}

/// Names that mean something in Rust.
pub mod names {
    tangelo::include_proto!("names");
}

/// Messages and services that are unlike others.
pub mod awkward {
    tangelo::include_proto!("awkward");
}

/// Of no package.
pub mod unpackaged {
    tangelo::include_proto!("_");
}

/// Packages within packages.
pub mod shop {
    /// What several services speak of.
    pub mod items {
        tangelo::include_proto!("shop.items");
    }
    /// Of two files.
    pub mod orders {
        /// As its package is called.
        pub mod v1 {
            tangelo::include_proto!("shop.orders.v1");
        }
    }
}
