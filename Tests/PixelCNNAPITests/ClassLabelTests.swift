// Which class a request means, and what is said where it means none.

import Testing

@testable import PixelCNNAPI

@Suite struct ClassLabelTests {
    private var model: ModelDescription {
        var model = SampleRequestTests.model
        (model.labels, model.labelNames) = (4, ["Circle", "star", "stripes", "3"])
        return model
    }

    @Test(arguments: [
        ("0", 0), ("3", 3), ("circle", 0), ("CIRCLE", 0), ("star", 1), ("Stripes", 2),
    ])
    func numbersAndNamesOfAnyCaseAreClasses(text: String, number: Int) throws {
        #expect(try model.number(of: ClassLabel(text)) == number)
        #expect(try model.number(ofAny: ClassLabel(text)) == number)
    }

    @Test func beginningsAreForPeopleAndMustBeOfOneName() throws {
        #expect(try model.number(of: ClassLabel("ci"), acceptsBeginnings: true) == 0)
        #expect(try model.number(of: ClassLabel("STR"), acceptsBeginnings: true) == 2)
        #expect(throws: RequestError.self) { try model.number(of: ClassLabel("ci")) }
        let error = try #require(throws: RequestError.self) {
            try model.number(of: ClassLabel("st"), acceptsBeginnings: true)
        }
        #expect(
            error.description
                == #"label is "st", with which several names begin; "#
                + #"allowed is 0…3, or "Circle", "star", "stripes", "3""#
        )
        #expect(throws: RequestError.self) { try model.number(of: ClassLabel(""), acceptsBeginnings: true) }
    }

    @Test(arguments: ["4", "-1", "square", "", "99999999999999999999"])
    func whatIsNoClassIs422AndNamesThem(text: String) throws {
        let error = try #require(throws: RequestError.self) { try model.number(ofAny: ClassLabel(text)) }
        #expect(error.status == 422 && error.field == "label")
        #expect(error.description.contains(#"0…3, or "Circle", "star""#), "\(error)")
    }

    @Test func aLabelIsForConditionalModelsAndTheyNeedOne() throws {
        #expect(try SampleRequestTests.model.number(ofAny: nil) == nil)
        #expect(
            throws: RequestError.outOfRange(field: "label", found: "0", allowed: "none: the model is unconditional")
        ) { try SampleRequestTests.model.number(ofAny: .number(0)) }
        var unnamed = self.model
        unnamed.labelNames = []
        #expect(throws: RequestError.outOfRange(field: "label", found: "missing", allowed: "0…3")) {
            try unnamed.number(ofAny: nil)
        }
        #expect(throws: RequestError.self) {
            try SampleRequest().validate(against: self.model, limits: RequestLimits())
        }
        try SampleRequest(label: .name("star")).validate(against: self.model, limits: RequestLimits())
    }

    @Test(arguments: [
        ("3", ClassLabel.number(3)), ("3.0", .number(3)), ("\"3\"", .number(3)), ("\"star\"", .name("star")),
        (#""a \"\\ \u0001 ü""#, .name("a \"\\ \u{1} ü")),
    ])
    func requestsKeepTheirLabel(json: String, label: ClassLabel) throws {
        let request = try SampleRequest(json: Array("{\"label\": \(json)}".utf8))
        #expect(request.label == label)
        #expect(try SampleRequest(json: request.json) == request)
    }

    @Test(arguments: ["true", "[1]", "1.5"])
    func otherTypesAreRefused(json: String) {
        #expect(throws: RequestError.self) { try SampleRequest(json: Array("{\"label\": \(json)}".utf8)) }
    }
}
