//! What stands around several nodes: the proxy and the balancer with the shipped files, and callers who keep count.
#![allow(dead_code)]

pub mod balancer;
pub mod callers;
pub mod example;
pub mod proxy;
