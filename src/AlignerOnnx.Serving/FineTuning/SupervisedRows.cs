using AlignerOnnx.Training;

namespace AlignerOnnx.Serving;

/// <summary>The model of a request and the rows that it is to learn, tokenised for it.</summary>
/// <param name="Model">The model.</param>
/// <param name="Train">The rows to learn.</param>
/// <param name="Held">Held-out rows; null where there are none.</param>
internal sealed record SupervisedRows(FrozenModel Model, EncodedDataSet Train, EncodedDataSet? Held)
{
    public static SupervisedRows Read(FineTuningRequest request)
    {
        DataReadingOptions reading = new() { PromptStyle = request.PromptStyle };
        ConversationDataSet data = ConversationDataSet.Read(request.Data, reading);
        ConversationDataSet? held = request.Evaluation is null ? null : ConversationDataSet.Read(request.Evaluation, reading);
        FrozenModel model = new(request.Model);
        IReadOnlyList<EncodedDataSet> encoded = model.Encode(request.MaximumLength, request.LossOn, held is null ? [data] : [data, held]);
        return new SupervisedRows(model, encoded[0], held is null ? null : encoded[1]);
    }
}
