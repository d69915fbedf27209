// Options of subcommands that take a while.

import ArgumentParser
import Support

struct ProgressOptions: ParsableArguments {
    @Flag(help: "Show the progress even if standard error is not a terminal.")
    var progress = false

    @Flag(name: .shortAndLong, help: "Report nothing except errors.")
    var quiet = false

    func validate() throws {
        if self.quiet, self.progress { throw ValidationError("--quiet and --progress exclude each other") }
    }

    /// How it is shown; `wantsPreview` also where all else is silent.
    func style(wantsPreview: Bool = false) -> ProgressDisplay.Style {
        if Terminal.isCapable(), !quiet || wantsPreview { return .live(bar: !quiet) }
        return progress ? .lines : .silent
    }
}
