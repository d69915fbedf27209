// swift-tools-version: 6.2
import PackageDescription

// A target is a layer; dependencies point one way (see README, "Layout"). The daemon never links OpenBLAS nor a decoder
// of other pictures than PNG, the server never sees a tensor, the client knows only the protocol and the images.

let settings: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let hummingbirdCore = Target.Dependency.product(name: "HummingbirdCore", package: "hummingbird")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")
let coreMetrics = Target.Dependency.product(name: "CoreMetrics", package: "swift-metrics")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let inMemoryLogging = Target.Dependency.product(name: "InMemoryLogging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTPTypes = Target.Dependency.product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioHTTPTypesHTTP1 = Target.Dependency.product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
let nioExtras = Target.Dependency.product(name: "NIOExtras", package: "swift-nio-extras")
let serviceLifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "pixelcnnd",
    products: [
        .executable(name: "pixelcnnd", targets: ["pixelcnnd"]),
        .executable(name: "pixelcnn", targets: ["pixelcnn"]),
        .executable(name: "pixelcnn-train", targets: ["pixelcnn-train"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // Without its traits Hummingbird leaves out swift-configuration and full Foundation.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // C: the kernels, and what Debian's libraries need to be called from Swift.
        .target(name: "CPixelKernels", linkerSettings: [.linkedLibrary("m")]),
        .target(name: "CPNG", linkerSettings: [.linkedLibrary("png"), .linkedLibrary("z")]),
        .systemLibrary(name: "CCairo", pkgConfig: "cairo", providers: [.apt(["libcairo2-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CLeptonica", pkgConfig: "lept", providers: [.apt(["libleptonica-dev"])]),
        .systemLibrary(name: "CMalloc"),
        .systemLibrary(name: "CSystemd", pkgConfig: "libsystemd", providers: [.apt(["libsystemd-dev"])]),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CMessageDigest", pkgConfig: "libmd", providers: [.apt(["libmd-dev"])]),

        // Leaves: depend on no layer of ours.
        .target(name: "Support", dependencies: ["CMessageDigest", "CZlib"], swiftSettings: settings),
        .target(name: "ImageFormats", dependencies: ["CPNG", "Support"], swiftSettings: settings),
        .target(
            name: "ImageImport", dependencies: ["CCairo", "CLeptonica", "CZlib", "ImageFormats", "Support"],
            swiftSettings: settings),
        .target(name: "StrictJSON", swiftSettings: settings),
        .target(name: "PixelCNNAPI", dependencies: ["StrictJSON"], swiftSettings: settings),
        .target(name: "Plots", dependencies: ["CCairo"], swiftSettings: settings),
        .target(name: "Prometheus", dependencies: [coreMetrics], swiftSettings: settings),

        // The network, from file to service.
        .target(
            name: "PixelCNNModel", dependencies: ["StrictJSON", "Support"], swiftSettings: settings),
        .target(name: "PixelCNNKernels", dependencies: ["PixelCNNModel", "CPixelKernels"], swiftSettings: settings),
        .target(name: "PixelCNNEngine", dependencies: ["PixelCNNModel", "PixelCNNKernels"], swiftSettings: settings),
        .target(
            name: "PixelCNNReference", dependencies: ["PixelCNNModel", "PixelCNNEngine", "COpenBLAS"],
            swiftSettings: settings),
        .target(
            name: "PixelCNNTraining",
            dependencies: ["PixelCNNModel", "PixelCNNKernels", "ImageFormats", "ImageImport", "Support"],
            swiftSettings: settings),
        .target(
            name: "PixelCNNScheduler", dependencies: ["PixelCNNEngine", "PixelCNNKernels", "Support", collections],
            swiftSettings: settings),
        .target(
            name: "PixelCNNServer",
            dependencies: [
                "Support", "ImageFormats", "PixelCNNAPI", "PixelCNNScheduler", "Prometheus",
                httpTypes, hummingbirdCore, logging, metrics, nioCore, nioExtras, nioHTTP1, nioHTTPTypes,
                nioHTTPTypesHTTP1, nioPosix, serviceLifecycle,
            ],
            resources: ["openapi.yaml"].map { .embedInCode($0) }
                + [
                    "page.html", "page.css", "api.js", "complete.js", "dom.js", "main.js", "pictures.js", "pixels.js",
                    "runs.js", "score.js", "settings.js", "status.js", "viewer.js",
                ].map { .embedInCode("Page/\($0)") },
            swiftSettings: settings),

        // The programs.
        .executableTarget(
            name: "pixelcnnd",
            dependencies: [
                "CMalloc", "CSystemd", "CYAML", "PixelCNNAPI", "PixelCNNEngine", "PixelCNNKernels", "PixelCNNModel",
                "PixelCNNScheduler", "PixelCNNServer", "Prometheus", "Support", argumentParser, logging, nioCore,
                serviceLifecycle,
            ], swiftSettings: settings),
        .executableTarget(
            name: "pixelcnn",
            dependencies: [
                "Support", "ImageFormats", "ImageImport", "PixelCNNAPI", argumentParser, nioCore, nioPosix, nioHTTP1,
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "pixelcnn-train",
            dependencies: [
                "Support", "ImageFormats", "ImageImport", "PixelCNNAPI", "PixelCNNEngine", "PixelCNNKernels",
                "PixelCNNModel", "PixelCNNReference", "PixelCNNTraining", "Plots", argumentParser,
            ], swiftSettings: settings),
        .executableTarget(
            name: "pixelcnn-bench",
            dependencies: [
                "CMachineLimits", "PixelCNNEngine", "PixelCNNKernels", "PixelCNNModel", "PixelCNNScheduler",
                "PixelCNNTraining", "Support",
                argumentParser,
            ],
            path: "Benchmarks/pixelcnn-bench", swiftSettings: settings),
        .target(name: "CMachineLimits", path: "Benchmarks/CMachineLimits"),

        // Tests: one target per layer.
        .target(
            name: "TestSupport", dependencies: ["ImageFormats", "PixelCNNModel"], path: "Tests/TestSupport",
            swiftSettings: settings),
        .target(name: "AllocationCount", path: "Tests/AllocationCount"),
        .testTarget(name: "SupportTests", dependencies: ["Support"], swiftSettings: settings),
        .testTarget(
            name: "ImageFormatsTests", dependencies: ["ImageFormats"], exclude: ["Fixtures"], swiftSettings: settings),
        .testTarget(
            name: "ImageImportTests", dependencies: ["ImageFormats", "ImageImport", "Support"], exclude: ["Fixtures"],
            swiftSettings: settings),
        .testTarget(name: "PlotsTests", dependencies: ["Plots", "ImageFormats"], swiftSettings: settings),
        .testTarget(
            name: "PixelCNNModelTests", dependencies: ["PixelCNNModel", "Support", "TestSupport"],
            exclude: ["Fixtures"],
            swiftSettings: settings),
        .testTarget(
            name: "TrainCommandTests",
            dependencies: ["pixelcnn-train", "ImageFormats", "PixelCNNModel", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "PixelCNNEngineTests",
            dependencies: ["AllocationCount", "PixelCNNEngine", "PixelCNNKernels", "PixelCNNReference", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "PixelCNNReferenceTests",
            dependencies: ["PixelCNNEngine", "PixelCNNKernels", "PixelCNNReference", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "PixelCNNTrainingTests",
            dependencies: [
                "PixelCNNKernels", "PixelCNNTraining", "PixelCNNReference", "TestSupport", "ImageFormats",
                "ImageImport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "PixelCNNSchedulerTests", dependencies: ["PixelCNNKernels", "PixelCNNScheduler", "TestSupport"],
            swiftSettings: settings),
        .target(name: "ServerTestSupport", path: "Tests/ServerTestSupport", swiftSettings: settings),
        .testTarget(
            name: "PrometheusTests", dependencies: ["Prometheus", "TestSupport", metrics],
            swiftSettings: settings),
        .testTarget(name: "StrictJSONTests", dependencies: ["StrictJSON"], swiftSettings: settings),
        .testTarget(name: "PixelCNNAPITests", dependencies: ["PixelCNNAPI", yams], swiftSettings: settings),
        .testTarget(
            name: "PixelCNNServerTests",
            dependencies: [
                "ServerTestSupport", "PixelCNNServer", "PixelCNNAPI", "Support", "ImageFormats", "ImageImport",
                "PixelCNNScheduler", inMemoryLogging, logging, nioCore, nioPosix, serviceLifecycle,
            ], swiftSettings: settings),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "ServerTestSupport", "TestSupport", "pixelcnn", "pixelcnnd", "pixelcnn-train", "PixelCNNAPI",
                "PixelCNNModel",
                "Support", "ImageFormats", "ImageImport", logging,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "DocumentTests", dependencies: ["ServerTestSupport", "pixelcnn", "pixelcnnd", "pixelcnn-train"],
            path: "Tests/Docs", exclude: ["run-blocks"], swiftSettings: settings),
        .testTarget(
            name: "SystemdTests", dependencies: ["ServerTestSupport", "pixelcnn", "pixelcnnd", "pixelcnn-train"],
            path: "Tests/Systemd",
            exclude: ["package", "scenario", "steady.py", "with-systemd"], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
