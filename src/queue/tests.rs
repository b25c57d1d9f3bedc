//! Scenarios, simulations and properties in virtual time.

mod call_backs;
mod lines;
mod office;
mod properties;
mod scenarios;
mod simulation;
mod transfers;
