//! What a krpc server promises to its clients, told by raw frames and by clients of ours.

mod desk;
mod exchanges;
mod failures;
mod flow;
mod pushes;
mod queues;
mod stopping;
