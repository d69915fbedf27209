// Sample requests: exact integers, strict fields, and every range at its border.

import Testing

@testable import PixelCNNAPI

extension SampleRequest {
    init(
        n: Int = 1, seed: UInt64? = nil, firstIndex: UInt64 = 0, height: Int? = nil, width: Int? = nil,
        label: ClassLabel? = nil, given: GivenImage? = nil, temperature: Double = 1, topK: Int? = nil,
        topP: Double? = nil, columns: Int? = nil, deadlineMilliseconds: Int? = nil, streamsRows: Bool = false,
        imageFormat: ImageFormat? = nil
    ) {
        self.init()
        self.n = n
        self.seed = seed
        self.firstIndex = firstIndex
        self.height = height
        self.width = width
        self.label = label
        self.given = given
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.columns = columns
        self.deadlineMilliseconds = deadlineMilliseconds
        self.streamsRows = streamsRows
        self.imageFormat = imageFormat
    }
}

@Suite struct SampleRequestTests {
    static let model = ModelDescription(
        channels: 3, height: 32, width: 32, colors: 256, blocks: 15, filters: 120, kernelSize: 3, hidden: 768,
        parameters: 1, file: "m", bytes: 1, format: "safetensors", sha256: "00", instructionSet: "avx2", threads: 1)

    private func read(_ json: String) throws(RequestError) -> SampleRequest {
        try SampleRequest(json: Array(json.utf8))
    }

    // MARK: - Reading

    @Test func takesAnEmptyBodyAndAnEmptyObjectAsDefaults() throws {
        #expect(try read("") == SampleRequest())
        #expect(try read("{}") == SampleRequest())
    }

    @Test func readsEveryField() throws {
        let json = """
            {"n": 2, "seed": 3, "first_index": "4", "height": 5, "width": 6, "temperature": 0.5, "top_k": 7, \
            "top_p": 0.25, "columns": 8, "deadline_ms": 9, "stream_rows": true, "format": "npy", \
            "given": {"rows": 2, "image": "AP9h"}}
            """
        let expected = SampleRequest(
            n: 2, seed: 3, firstIndex: 4, height: 5, width: 6, given: GivenImage(image: [0, 255, 97], kept: .rows(2)),
            temperature: 0.5, topK: 7, topP: 0.25, columns: 8, deadlineMilliseconds: 9, streamsRows: true,
            imageFormat: .npy)
        #expect(try read(json) == expected)
    }

    @Test(
        arguments: [
            UInt64.max, 9_223_372_036_854_775_807, 9_223_372_036_854_775_808, 9_007_199_254_740_993, 0,
        ] as [UInt64])
    func keepsEverySeedBit(seed: UInt64) throws {
        #expect(try read("{\"seed\": \(seed)}").seed == seed)
        #expect(try read("{\"seed\": \"\(seed)\"}").seed == seed)
        #expect(try read("{\"first_index\": \(seed)}").firstIndex == seed)
    }

    @Test func readsBackWhatItWrites() throws {
        let requests = [
            SampleRequest(),
            SampleRequest(
                n: 9, seed: .max, firstIndex: .max - 8, height: 1, width: 2, temperature: 0.01, topK: 1,
                topP: 1e-30, columns: 3, deadlineMilliseconds: 5, streamsRows: true, imageFormat: .png),
            SampleRequest(given: GivenImage(image: Array(0...255), kept: .rows(7))),
            SampleRequest(given: GivenImage(image: [], kept: .mask([1, 2, 3, 4]))),
        ]
        for request in requests { #expect(try SampleRequest(json: request.json) == request) }
    }

    @Test func aNumberWithoutAFractionIsAnInteger() throws {
        #expect(try read("{\"n\": 3.0, \"seed\": 2e1}") == SampleRequest(n: 3, seed: 20))
    }

    @Test func nullIsAFieldLeftOut() throws {
        for field in SampleRequest.fields {
            #expect(try read("{\"\(field.name)\": null}") == SampleRequest(), "\(field.name)")
        }
        #expect(try read("{\"seed\": 3, \"n\": null}") == SampleRequest(seed: 3))
        let given = try read("{\"given\": {\"image\": \"\", \"rows\": 2, \"mask\": null}}").given
        #expect(given == GivenImage(image: [], kept: .rows(2)))
    }

    @Test func aSeedOfMinusOneIsNone() throws {
        for seed in ["-1", "-1.0", "\"-1\""] { #expect(try read("{\"seed\": \(seed)}").seed == nil) }
    }

    @Test(arguments: [
        ("{\"n\": \"1\"}", "n", "an integer"), ("{\"n\": 1.5}", "n", "an integer"),
        ("{\"n\": 1e99}", "n", "an integer"),
        ("{\"n\": true}", "n", "an integer"),
        ("{\"seed\": 1.5}", "seed", "an integer or a decimal string"),
        ("{\"seed\": \"0x10\"}", "seed", "an integer or a decimal string"),
        ("{\"seed\": \"\"}", "seed", "an integer or a decimal string"),
        ("{\"seed\": \"+1\"}", "seed", "an integer or a decimal string"),
        ("{\"first_index\": []}", "first_index", "an integer or a decimal string"),
        ("{\"temperature\": \"1\"}", "temperature", "a number"), ("{\"top_k\": 1.5}", "top_k", "an integer"),
        ("{\"stream_rows\": 1}", "stream_rows", "true or false"), ("{\"format\": 1}", "format", "a string"),
        ("{\"deadline_ms\": 1.5}", "deadline_ms", "an integer"), ("{\"top_p\": {}}", "top_p", "a number"),
        ("{\"columns\": \"x\"}", "columns", "an integer"),
    ])
    func namesTheFieldOfAWrongType(json: String, field: String, expected: String) throws {
        let error = try #require(throws: RequestError.self) { try read(json) }
        guard case .wrongType(field, expected, _) = error else {
            Issue.record("unexpected \(error)")
            return
        }
        #expect(error.status == 400)
        #expect(error.description.hasPrefix("\(field) must be \(expected); found "))
    }

    @Test(arguments: ["sed", "Seed", "topk", ""])
    func refusesUnknownFieldsByName(field: String) throws {
        let error = try #require(throws: RequestError.self) { try read("{\"\(field)\": 1}") }
        #expect(error.status == 400)
        #expect(error.field == field)
        #expect(error.description.contains("\"\(field)\""))
    }

    @Test func anEndlessNameGetsAShortMessage() throws {
        let name = String(repeating: "x", count: 100_000)
        let error = try #require(throws: RequestError.self) { try read("{\"\(name)\": 1}") }
        #expect(error.description.utf8.count < 300)
    }

    @Test(arguments: [
        ("1", "given", "must be an object"), ("{\"image\": null, \"rows\": 1}", "given.image", "found nothing"),
        ("{\"image\": \"\", \"rows\": null, \"mask\": null}", "given", "found neither"),
        ("{\"rows\": 1}", "given.image", "found nothing"), ("{\"image\": \"\"}", "given", "one of rows and mask"),
        ("{\"image\": \"\", \"rows\": 1, \"mask\": \"\"}", "given", "found both"),
        ("{\"image\": 7, \"rows\": 1}", "given.image", "base64"),
        ("{\"image\": \"AAA\", \"rows\": 1}", "given.image", "base64"),
        ("{\"image\": \"A*==\", \"rows\": 1}", "given.image", "base64"),
        ("{\"image\": \"\", \"mask\": \"é\"}", "given.mask", "base64"),
        ("{\"image\": \"\", \"rows\": \"1\"}", "given.rows", "an integer"),
        ("{\"image\": \"\", \"rows\": 1, \"row\": 2}", "given.row", "image, rows, mask"),
    ])
    func namesTheMemberOfWhatIsGiven(json: String, field: String, message: String) throws {
        let error = try #require(throws: RequestError.self) { try read("{\"given\": \(json)}") }
        #expect((error.status, error.field) == (400, field))
        #expect(error.description.contains(message), "\(error)")
    }

    @Test func whatIsNoBase64GetsAShortMessage() throws {
        let text = String(repeating: "\u{301}", count: 1_000_000)  // one character to a reader
        let error = try #require(throws: RequestError.self) {
            try read("{\"given\": {\"image\": \"\(text)\", \"rows\": 1}}")
        }
        #expect(error.description.utf8.count < 300)
    }

    @Test(arguments: [
        ("{\"seed\": -2}", "seed"), ("{\"seed\": 18446744073709551616}", "seed"), ("{\"seed\": \"-2\"}", "seed"),
        ("{\"first_index\": -1}", "first_index"),
        ("{\"first_index\": 1\(String(repeating: "0", count: 500))}", "first_index"),
        ("{\"n\": 99999999999999999999}", "n"), ("{\"top_k\": -99999999999999999999}", "top_k"),
    ])
    func namesTheFieldOfAnIntegerThatFitsNowhere(json: String, field: String) throws {
        let error = try #require(throws: RequestError.self) { try read(json) }
        #expect(error.status == 422)
        #expect(error.field == field)
        #expect(error.description.utf8.count < 200)
    }

    @Test(arguments: ["[]", "1", "\"n\"", "{\"n\": 1} x", "{\"n\": 1, \"n\": 2}", "{", "\u{FEFF}{}"])
    func refusesWhatIsNotOneObject(json: String) throws {
        let error = try #require(throws: RequestError.self) { try read(json) }
        #expect(error.status == 400)
        #expect(error.field == nil)
    }

    // MARK: - Ranges

    @Test(arguments: [
        SampleRequest(n: 1), SampleRequest(n: 4096), SampleRequest(temperature: 0), SampleRequest(temperature: 0.01),
        SampleRequest(temperature: 100), SampleRequest(topK: 1), SampleRequest(topK: 256), SampleRequest(topP: 1),
        SampleRequest(topP: 0.001), SampleRequest(n: 1, firstIndex: .max), SampleRequest(n: 2, firstIndex: .max - 1),
        SampleRequest(columns: 1), SampleRequest(columns: .max), SampleRequest(height: 1024, width: 1024),
        SampleRequest(given: GivenImage(image: [], kept: .rows(0))),
        SampleRequest(height: 5, given: GivenImage(image: [], kept: .rows(5))),
    ])
    func allowsTheBordersOfEveryRange(request: SampleRequest) throws {
        try request.validate(against: Self.model, limits: RequestLimits())
    }

    @Test(arguments: [
        (SampleRequest(n: 0), "n"), (SampleRequest(n: -1), "n"), (SampleRequest(n: 4097), "n"),
        (SampleRequest(n: .max), "n"), (SampleRequest(temperature: 0.009), "temperature"),
        (SampleRequest(temperature: -1), "temperature"), (SampleRequest(temperature: 100.1), "temperature"),
        (SampleRequest(temperature: .infinity), "temperature"), (SampleRequest(temperature: .nan), "temperature"),
        (SampleRequest(topK: 0), "top_k"), (SampleRequest(topK: 257), "top_k"), (SampleRequest(topP: 0), "top_p"),
        (SampleRequest(topP: 1.001), "top_p"), (SampleRequest(topP: -0.5), "top_p"),
        (SampleRequest(topP: 1e-60), "top_p"), (SampleRequest(topP: .nan), "top_p"),
        (SampleRequest(n: 2, firstIndex: .max), "first_index"), (SampleRequest(columns: 0), "columns"),
        (SampleRequest(height: 0), "height"), (SampleRequest(height: 1025), "height"),
        (SampleRequest(given: GivenImage(image: [], kept: .rows(33))), "given.rows"),
        (SampleRequest(given: GivenImage(image: [], kept: .rows(-1))), "given.rows"),
        (SampleRequest(width: -3), "width"), (SampleRequest(width: .max), "width"),
        (SampleRequest(n: 4096, height: 1024, width: 1024), "n"),
        (SampleRequest(deadlineMilliseconds: 0), "deadline_ms"), (SampleRequest(streamsRows: true), "stream_rows"),
        (SampleRequest(deadlineMilliseconds: 86_400_001), "deadline_ms"), (SampleRequest(imageFormat: .npy), "format"),
    ])
    func refusesWhatLiesOutsideByName(request: SampleRequest, field: String) throws {
        let error = try #require(throws: RequestError.self) {
            try request.validate(against: Self.model, limits: RequestLimits())
        }
        #expect(error.status == 422)
        #expect(error.field == field)
        #expect(error.description.contains("allowed is"))
    }

    @Test func boundsTopKByTheModel() {
        var model = Self.model
        model.colors = 4
        #expect(throws: RequestError.outOfRange(field: "top_k", found: "5", allowed: "1…4")) {
            try SampleRequest(topK: 5).validate(against: model, limits: RequestLimits())
        }
    }

    @Test func streamsTakeTheFieldsThatSayHow() throws {
        let request = SampleRequest(streamsRows: true, imageFormat: .png)
        try request.validate(against: Self.model, limits: RequestLimits(), isStreamed: true)
    }

    @Test func namesTheFormatsThatThereAre() {
        #expect(
            throws: RequestError.outOfRange(
                field: "format", found: "the string \"gif\"", allowed: "\"png\" or \"npy\" or \"npz\"")
        ) { try read("{\"format\": \"gif\"}") }
    }

    @Test func refusesAnArchiveWithoutLogProbabilities() throws {
        let error = #expect(throws: RequestError.self) {
            try SampleRequest(imageFormat: .npz).validate(
                against: Self.model, limits: RequestLimits(), isStreamed: true)
        }
        #expect(error?.field == "format")
        var measured = SampleRequest(imageFormat: .npz)
        measured.wantsLogProbabilities = true
        try measured.validate(against: Self.model, limits: RequestLimits(), isStreamed: true)
    }

    @Test func refusesPNGOfAModelThatNoneShows() {
        var model = Self.model
        model.colors = 1024
        let error = #expect(throws: RequestError.self) {
            try SampleRequest(imageFormat: .png).validate(against: model, limits: RequestLimits(), isStreamed: true)
        }
        #expect(error?.field == "format")
    }

    @Test func limitsTellHowManyImagesFitOneRequest() {
        let limits = RequestLimits(maximumImages: 10, maximumValues: 1000)
        #expect(limits.images(ofValues: 1) == 10)
        #expect(limits.images(ofValues: 300) == 3)
        #expect(limits.images(ofValues: 5000) == 1)
    }

    @Test func drawsSeedsThatEveryJSONReaderKeeps() {
        for _ in 0..<1000 { #expect(SampleRequest.drawSeed() < 1 << 53) }
    }
}
