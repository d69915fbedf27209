// What an image costs, counted from the network's sizes: the multiply-adds whose weight no mask zeroes, each once per
// pixel. Padding to whole vectors is not work, so it is not counted; rows above the image are, though they are skipped.

import PixelCNNModel

extension Hyperparameters {
    /// Multiply-adds with a live weight for one pixel, all its channels: 4.11 million for the published network.
    var multiplyAddsAPixel: Int {
        let (c, g, k, p, f) = (channels, groupSize, kernelSize, padding, filters)
        let (hiddenGroup, pairsOfGroups) = (hidden / c, c * (c + 1) / 2)  // (from, to) with from ≤ to
        let input = g * (24 * c * c + c * (c - 1) / 2)  // 24 taps before the pixel, and its earlier channels
        let convolution = k * f * 2 * f  // a kernel row of v_conv
        let toHorizontal = 2 * g * g * pairsOfGroups  // v1toh and v2toh
        let left = p * f * 2 * f  // h_conv's taps left of the pixel
        let centre = 2 * g * g * pairsOfGroups
        let projection = g * g * pairsOfGroups
        let block = (p + 1) * convolution + toHorizontal + left + centre + projection
        let firstBlockLacks = convolution + 2 * g * g * c  // type A: neither its own row nor its own group
        let output = hiddenGroup * g * pairsOfGroups + colors * hiddenGroup * pairsOfGroups
        return input + blocks * block - firstBlockLacks + output
    }

    /// Floating-point operations for one image of the model's size.
    var flopPerImage: Double { flop(height: height, width: width) }

    func flop(height: Int, width: Int) -> Double { 2 * Double(multiplyAddsAPixel) * Double(height * width) }
}
