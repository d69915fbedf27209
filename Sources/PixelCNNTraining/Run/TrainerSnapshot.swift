// Where a trainer stands, as models: the form in which checkpoints keep it, whatever the layout of the arrays in
// memory.

import PixelCNNModel

/// Weights, their average, and Adam's moments after a number of steps.
struct TrainerSnapshot {
    let steps: Int
    let weights, averages: Model
    /// Running means of the gradients, and of their squares.
    let means, squares: Model
}
