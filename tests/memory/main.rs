//! What can be proved on a machine in memory: promises that hold for every manifest, and what each convenience becomes.

#![cfg(test)]

mod absent;
mod adopt;
mod agreement;
mod doctor;
mod floor;
mod lanes;
mod pipeline;
mod properties;
mod recipes;
