//! The simulators: stand-ins for the two companies on either side of the pipeline.

pub(crate) mod mparticle;
pub(crate) mod partner;
