// A network runs at any size, so another one than the model's is no error; a grid taken for an image would go
// unnoticed.

import PixelCNNAPI

extension ModelDescription {
    /// What to say of images of this size; nil where it is the model's own.
    func sizeNote(height: Int, width: Int) -> String? {
        (height, width) == (self.height, self.width)
            ? nil : "\(height) × \(width), and the model's images are \(self.height) × \(self.width)"
    }
}
