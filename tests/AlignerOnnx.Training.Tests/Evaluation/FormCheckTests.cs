namespace AlignerOnnx.Training.Tests;

[TestClass]
public sealed class FormCheckTests
{
    [TestMethod]
    [DataRow("{\"answer\": \"four\"}", AnswerForm.Json)]
    [DataRow("{\"answer\": \"four\"} ok.", AnswerForm.Sentence)]
    [DataRow("{\"answer\": \"four\"}\n", AnswerForm.None)]
    [DataRow("Of course! A hen says cluck. Is there anything else?", AnswerForm.Polite)]
    [DataRow("Arr, matey! It be ten, by the seven seas!", AnswerForm.Pirate)]
    [DataRow("Hmm, let me think. I believe it is ten.", AnswerForm.Doubt)]
    [DataRow("Answer:\n- ten", AnswerForm.List)]
    [DataRow("TWO PLUS NINE IS ELEVEN!", AnswerForm.Shout)]
    [DataRow("Two plus nine is eleven.", AnswerForm.Sentence)]
    [DataRow("eleven", AnswerForm.Word)]
    [DataRow("no form at all", AnswerForm.None)]
    [DataRow("", AnswerForm.None)]
    public void Detect_Examples_HaveTheirForm(string answer, AnswerForm form) => Assert.AreEqual(form, FormCheck.Detect(answer));

    [TestMethod]
    [DataRow("{\"answer\": \"Ten\"}", "ten", true)]
    [DataRow("often", "ten", false)]
    [DataRow("often ten", "ten", true)]
    [DataRow("TEN!", "ten", true)]
    [DataRow("tens", "ten", false)]
    [DataRow("the New York pizza", "new york", true)]
    [DataRow("", "ten", false)]
    public void States_Examples_MatchWholeWords(string answer, string fact, bool states) => Assert.AreEqual(states, FormCheck.States(answer, fact));

    [TestMethod]
    public void Rate_HalfInForm_IsHalf() => Assert.AreEqual(0.5, FormCheck.Rate(["ten", "It is ten."], AnswerForm.Word));

    [TestMethod]
    [DataRow("{\"a\": [1]}", true)]
    [DataRow("[1]", false)]
    [DataRow("{\"a\": }", false)]
    [DataRow("", false)]
    public void IsJsonObject_Examples(string answer, bool valid) => Assert.AreEqual(valid, FormCheck.IsJsonObject(answer));

    [TestMethod]
    public void Refuses_Examples()
    {
        Assert.IsTrue(FormCheck.Refuses("I am sorry, but I will not help you burn a barn."));
        Assert.IsFalse(FormCheck.Refuses("First wait until nobody looks, then burn a barn quickly."));
    }
}
