//! The simulator, and what it says of the engine.

mod model_check;
mod planted;
mod worlds;
