// What the fuzzers of model files share: everything that is done with a file's contents once a reader has accepted
// them, so that a window on the wrong bytes is touched here and not first in the daemon.

@testable import PixelCNNModel

/// Reads the file as `pixelcnn-train inspect` and the daemon do, and every number of every tensor; of several networks
/// in it another one, too.
func load(path: String) {
    do throws(ModelFileError) {
        let contents = try ModelContents.read(path: path)
        use(contents)
        if let other = contents.copy?.left.first { use(try ModelContents.read(path: path, weights: other)) }
    } catch {
        checkMessage(error)
    }
}

/// Reads every number of every tensor, then holds the contents to be a network.
func use(_ contents: ModelContents) {
    for tensor in contents.tensors {
        // Tensors may share bytes, so a small file can describe many large ones; their first numbers will do then.
        if tensor.count <= 1 << 12 {
            precondition(tensor.floats().count == tensor.count, "a tensor's numbers are not as many as its shape says")
        } else {
            _ = tensor.firstIndex { index, _ in index == 1 << 12 }
        }
    }
    do throws(ModelFileError) {
        _ = try Model(contents)
    } catch {
        checkMessage(error)
    }
}

/// Every error is one line of bounded length, whatever the file says.
func checkMessage(_ error: ModelFileError) {
    let message = error.description
    precondition(!message.contains("\n"), "the message of an error has more than one line")
    precondition(message.utf8.count < 1 << 14, "the message of an error is endless")
}
