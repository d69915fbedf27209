// The command line as it is typed. Nothing has a default here: what is not given may still come from the environment,
// or from a file.

import ArgumentParser

struct DaemonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The model file; the bundled one by default.", valueName: "file"),
        completion: .file(extensions: ["pt", "pth", "safetensors"]))
    var model: String?

    @Option(
        help: ArgumentHelp(
            """
            Where to listen, unless systemd passes a socket; $XDG_RUNTIME_DIR/pixelcnn.sock by default, else \
            /run/pixelcnn/pixelcnn.sock.
            """,
            valueName: "path"),
        completion: .file())
    var socket: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Number of compute threads; the number of cores by default.", valueName: "n"))
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            """
            f32 (the default), or bf16: weights that every pixel reads are rounded, single images are faster, and values \
            are those of bf16 daemons alone.
            """,
            valueName: "precision"),
        completion: .list(["f32", "bf16"]))
    var precision: String?

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Rows of an image, where a request does not say.", valueName: "h"))
    var height: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Columns of an image, where a request does not say.", valueName: "w"))
    var width: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most images that may wait beside others; 4096 by default.", valueName: "images"))
    var maxQueue: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most images that one request draws; 4096 by default.", valueName: "images"))
    var maxImages: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most rows, and columns, of an image; 1024 by default.", valueName: "pixels"))
    var maxSide: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The most values (images × channels × rows × columns) of one request; 67108864 by default.",
            valueName: "values"))
    var maxValues: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most bytes of a request's body; 67108864 by default.", valueName: "bytes"))
    var maxBody: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The most memory of all requests' bodies, values and answers together; 1073741824 by default.",
            valueName: "bytes"))
    var maxRequestMemory: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The most memory of row caches, of images in flight and kept for the next; 1073741824 by default.",
            valueName: "bytes"))
    var maxRowCaches: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The most memory for what the network knows of first rows, so that completions of a picture, and variations \
            of a sample just drawn, start below them; 268435456 by default, 0 for none.
            """,
            valueName: "bytes"))
    var cacheSize: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Hang up on a client that sends or takes nothing for as long; 60 by default.", valueName: "seconds"))
    var clientTimeout: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How long running requests have to end once the daemon is told to; 30 by default.", valueName: "seconds"))
    var drainTimeout: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "End once nobody has asked for anything for as long, where a service manager keeps the socket.",
            valueName: "seconds"))
    var exitWhenIdle: Int?

    @Option(
        help: ArgumentHelp(
            "A file of settings, YAML or JSON, named as here without the dashes: max_queue: 64.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml", "json"]))
    var config: String?

    @Option(
        help: ArgumentHelp(
            "trace, debug, info (the default), notice, warning, error or critical.", valueName: "level"),
        completion: .list(["trace", "debug", "info", "notice", "warning", "error", "critical"]))
    var logLevel: String?
}
