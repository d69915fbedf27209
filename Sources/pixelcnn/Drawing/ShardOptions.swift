// Options of a drawing that goes to many files.

import ArgumentParser

struct ShardOptions: ParsableArguments {
    static let defaultShardSize = 1000

    @Option(
        help: ArgumentHelp(
            """
            Write shards into this folder, .npy files or folders of PNG files, and go on where they were stopped.
            """, valueName: "folder"), completion: .directory)
    var outputDir: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Images of a shard; \(defaultShardSize) by default.", valueName: "n"))
    var shardSize: Int?

    func validate() throws {
        guard let shardSize else { return }
        guard self.outputDir != nil else { throw ValidationError("--shard-size needs --output-dir") }
        guard shardSize > 0 else { throw ValidationError("--shard-size is \(shardSize); allowed is 1 or more") }
    }

    /// Refuses options of a single file, and a part of the images that would cut shards in two.
    func check(_ drawing: DrawingOptions) throws {
        guard outputDir != nil else { return }
        for (name, isThere) in [
            ("-o", drawing.output != nil), ("--columns", drawing.columns != nil), ("--preview", drawing.preview),
            ("--deadline", drawing.deadline != nil),
        ] where isThere {
            throw ValidationError("--output-dir and \(name) exclude each other")
        }
        let size = UInt64(shardSize ?? Self.defaultShardSize)
        guard drawing.firstIndex.isMultiple(of: size) else {
            throw ValidationError(
                "--first-index is \(drawing.firstIndex); with --output-dir, multiples of --shard-size (\(size)) are allowed"
            )
        }
    }
}
