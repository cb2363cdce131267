using AlignerOnnx.Serving;
using AlignerOnnx.Training;

namespace AlignerOnnx.Cli.Tests;

[TestClass]
public sealed class ProgressLineTests
{
    [TestMethod]
    public void Report_OnATerminal_RewritesOneLineAndCoversTheLongerOne()
    {
        ManualTime time = new();
        using StringWriter writer = new() { NewLine = "\n" };
        using (ProgressLine line = new(writer, live: true, time))
        {
            line.Report(() => "step 10");
            time.Advance(TimeSpan.FromSeconds(1));
            line.Report(() => "done");
        }
        Assert.AreEqual("\rstep 10\rdone   \n", writer.ToString());
    }

    [TestMethod]
    public void Report_Elsewhere_WritesFewPlainLines()
    {
        ManualTime time = new();
        using StringWriter writer = new() { NewLine = "\n" };
        using ProgressLine line = new(writer, live: false, time);
        for (int step = 0; step < 100; step++)
        {
            int shown = step;
            line.Report(() => $"step {shown}");
            time.Advance(TimeSpan.FromSeconds(0.25));
        }
        line.Finish("100 steps");
        Assert.AreEqual("step 0\nstep 40\nstep 80\n100 steps\n", writer.ToString());
    }

    /// <summary>A margin that rounds to nothing has no sign.</summary>
    [TestMethod]
    [DataRow(-0.001, "margin 0.00 ")]
    [DataRow(-0.006, "margin -0.01 ")]
    [DataRow(1234.5, "margin 1234.50 ")]
    public void Text_OfAMargin_IsRounded(double margin, string shown)
    {
        TrainingProgress progress = new(1, 2, 0.5, 0.01, 1, 100, TimeSpan.FromSeconds(1)) { Values = new Dictionary<string, double> { [PreferenceMeasures.AccuracyName] = 0.5, [PreferenceMeasures.MarginName] = margin } };
        Assert.Contains(shown, TrainingProgressLine.Text(progress));
    }

    [TestMethod]
    public void Report_TooSoon_DoesNotEvenMakeTheText()
    {
        using StringWriter writer = new();
        using ProgressLine line = new(writer, live: true, new ManualTime());
        line.Report(() => "first");
        line.Report(() => throw new InvalidOperationException("made"));
    }

    [TestMethod]
    public void Report_WorkOfMoreThanAMoment_IsShownAndEndsItsLine()
    {
        using StringWriter writer = new() { NewLine = "\n" };
        using ProgressLine line = new(writer, live: false, new ManualTime());
        line.Report(new WorkProgress("answers", 1, 8, TimeSpan.FromSeconds(0.9)));
        line.Report(new WorkProgress("answers", 2, 8, TimeSpan.FromSeconds(20)));
        line.Report(new WorkProgress("answers", 3, 8, TimeSpan.FromSeconds(21)));
        line.Report(new WorkProgress("answers", 8, 8, TimeSpan.FromSeconds(80)));
        line.Report(new WorkProgress("rows", 4, 4, TimeSpan.FromSeconds(0.9)));
        Assert.AreEqual("answers 2/8  00:01:00 left\nanswers 8/8  00:00:00 left\n", writer.ToString());
    }

    private sealed class ManualTime : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public void Advance(TimeSpan step) => _ticks += step.Ticks;
    }
}
